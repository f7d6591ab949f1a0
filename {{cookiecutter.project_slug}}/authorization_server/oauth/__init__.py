"""Overrides of django-oauth-toolkit (3.4): endpoints, discovery documents and the validator.

Each override has a test, so that it can be deleted once the toolkit does the same by itself.
"""
