"""User models that differ from Django's."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models


class EmailUser(AbstractBaseUser):
    """Has a UUID as primary key, signs in with an address, and is never staff."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    USERNAME_FIELD = "email"


class AdminUser(AbstractBaseUser):
    """The custom user of Django's documentation: `is_staff` is a property. Has no `is_active`."""

    name = models.CharField(max_length=100, unique=True)
    is_admin = models.BooleanField(default=False)
    joined = models.DateTimeField(auto_now_add=True)
    USERNAME_FIELD = "name"

    @property
    def is_staff(self):
        return self.is_admin


class PhoneUser(AbstractBaseUser):
    """Needs more than a username, which is too short for a UUID."""

    phone = models.CharField(max_length=20, unique=True)
    email = models.EmailField(unique=True)
    birthday = models.DateField()
    city = models.CharField(max_length=100)
    USERNAME_FIELD = "phone"


def phone_user(access_token, username):
    """Return a new user: a `USER_FACTORY`."""
    claims = access_token.claims
    return PhoneUser(phone=claims["phone"], email=username, birthday="2000-01-01")
