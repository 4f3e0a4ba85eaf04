"""Which desk a question belongs to, what is known already, and whom of the experts to ask."""
