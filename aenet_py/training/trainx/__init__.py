"""Training as train.x of ænet does it: energies only, without torch, one module per method."""
