"""Logs and progress, for people."""
