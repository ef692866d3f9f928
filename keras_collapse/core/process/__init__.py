"""The process that trains: which one it is, whether it lives, and how it ends."""
