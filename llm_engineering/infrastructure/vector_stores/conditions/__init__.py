"""Conditions in the languages of engines that know less than ours: what they can say, and the rest done here."""
