"""Other frameworks, used as their documentation shows it. Each file runs in an environment of its own."""
