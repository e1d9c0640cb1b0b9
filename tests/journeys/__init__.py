"""A package, so that the suite which its tests share ends with them."""
