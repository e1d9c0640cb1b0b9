"""How good the rules that guess are, on real data: `make eval-score`, `make eval-dedupe`."""
