"""How well questions are routed: each part prints one line of JSON, with baselines of that run."""
