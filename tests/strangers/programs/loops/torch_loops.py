"""Plain PyTorch loops around Keras networks: the Keras guide's, and PyTorch's DCGAN tutorial."""

from __future__ import annotations

from typing import Any

import images
import keras
import numpy as np
from corpus import Trained, Watch, from_noise, stranger
from keras import layers

nz = 16


def build(last: str | None = None) -> tuple[keras.Model, keras.Model]:
    netG = keras.Sequential(
        [
            layers.Input((nz,)),
            layers.Dense(64),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dense(196, activation="tanh"),
            layers.Reshape((14, 14, 1)),
        ]
    )
    netD = keras.Sequential(
        [
            layers.Input((14, 14, 1)),
            layers.Conv2D(8, 3, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Flatten(),
            layers.Dense(1, activation=last),
        ]
    )
    return netG, netD


def digits(fault: str | None) -> np.ndarray:
    x, _ = images.digits(960)
    return x.astype("float32") if fault == "bytes" else x.astype("float32") / 127.5 - 1


@stranger(
    "PyTorch's DCGAN tutorial: netG, netD, errD, DataLoader",
    "update",
    "leak one_label g_label bytes",
    backends="torch",
    steps=300,
)
def torch_tutorial_loop(watch: Watch, fault: str | None, steps: int) -> Trained:
    import torch

    data = digits(fault)
    dataset = torch.utils.data.TensorDataset(torch.from_numpy(data))
    dataloader = torch.utils.data.DataLoader(dataset, batch_size=32, shuffle=True)
    netG, netD = build("sigmoid")
    criterion = torch.nn.BCELoss()
    optimizerD = torch.optim.Adam(netD.parameters(), lr=0.0003, betas=(0.5, 0.999))
    learnt = [*netG.parameters(), *(netD.parameters() if fault == "leak" else [])]
    optimizerG = torch.optim.Adam(learnt, lr=0.0003, betas=(0.5, 0.999))
    with watch.watching(generator=netG, discriminator=netD):
        for epoch in range(steps // 30):
            for i, (real,) in enumerate(dataloader):
                netD.zero_grad()
                label = torch.full((len(real),), 1.0)
                output = netD(real, training=True).view(-1)
                errD_real = criterion(output, label)
                errD_real.backward()
                D_x = output.mean().item()
                fake = netG(torch.randn(len(real), nz), training=True)
                label.fill_(1.0 if fault == "one_label" else 0.0)
                output = netD(fake.detach(), training=True).view(-1)
                errD_fake = criterion(output, label)
                errD_fake.backward()
                errD = errD_real + errD_fake
                optimizerD.step()
                netG.zero_grad()
                if fault == "leak":
                    netD.zero_grad()
                label.fill_(0.0 if fault == "g_label" else 1.0)
                output = netD(fake, training=True).view(-1)
                errG = criterion(output, label)
                errG.backward()
                D_G_z2 = output.mean().item()
                optimizerG.step()
                if i % 50 == 0:
                    print(f"[{epoch}][{i}] Loss_D: {errD.item():.4f} Loss_G: {errG.item():.4f} "
                          f"D(x): {D_x:.4f} D(G(z)): {D_G_z2:.4f}")  # fmt: skip
                watch.update(Loss_D=errD.item(), Loss_G=errG.item())
    return Trained([netG, netD], from_noise(netG, nz), data, optimizers=[optimizerD, optimizerG])


@stranger(
    "hinge loss in plain PyTorch, two D steps a G step",
    "update",
    "leak g_label",
    backends="torch",
    steps=120,
)
def torch_hinge_loop(watch: Watch, fault: str | None, steps: int) -> Trained:
    import torch
    from torch.nn import functional as F

    data = torch.from_numpy(digits(fault))
    G, D = build()
    opt_D = torch.optim.Adam(D.parameters(), lr=4e-4, betas=(0.0, 0.9))
    learnt: list[Any] = [*G.parameters(), *(D.parameters() if fault == "leak" else [])]
    opt_G = torch.optim.Adam(learnt, lr=1e-4, betas=(0.0, 0.9))
    for _ in range(steps):
        for _ in range(2):
            real = data[torch.randint(0, len(data), (32,))]
            fake = G(torch.randn(32, nz), training=True).detach()
            loss_D = F.relu(1 - D(real)).mean() + F.relu(1 + D(fake)).mean()
            opt_D.zero_grad()
            loss_D.backward()
            opt_D.step()
        loss_G = -D(G(torch.randn(32, nz), training=True)).mean()
        loss_G = -loss_G if fault == "g_label" else loss_G
        opt_G.zero_grad()
        loss_G.backward()
        opt_G.step()
        watch.update(loss_D=loss_D.item(), loss_G=loss_G.item())
    return Trained([G, D], from_noise(G, nz), data.numpy(), optimizers=[opt_D, opt_G])
