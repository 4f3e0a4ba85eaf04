"""The rooms of the network: what there should be, what there is, and the steps between them."""
