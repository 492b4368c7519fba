"""What values are made of, and how a data set is shown: the Python half of the views in ``_dicomwire.dataset``."""
