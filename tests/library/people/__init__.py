"""User models that projects have, for test_user_models.py."""
