"""Signs that the samples show for several sample checks in a row."""
