"""Issuers of access tokens: their settings, and the validation of their tokens."""
