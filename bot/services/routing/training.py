"""The nightly fit of a ranker to the network's own history, and what it was judged by.

The history is walked as it happened: each question sees only what came before it. The learned
ranker is used only where it beats the formula on that walk; otherwise nothing changes.
"""
