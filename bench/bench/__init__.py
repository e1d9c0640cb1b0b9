"""How fast the suite is, measured on the real stack against what its own database could do: `make bench`."""
