"""The predictive score: how likely a lead is to become a customer, learned from the company's own closed leads.

Pure: no database, no clock. `train` (training.py) makes a `Model` (model.py), which is plain JSON; scoring and
explaining need neither scikit-learn nor numpy, which only the modules of training import.
"""
