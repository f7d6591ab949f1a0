"""The local user of a person, found by ``iss`` and ``sub`` of the access token and nothing else.

``OAUTH_RESOURCE_SERVER["USERS"]`` is one of:

- ``"create"``: a user is created when ``request.user`` is first accessed.
- ``"linked"``: a person is accepted only if a `LinkedUser` row was created beforehand.
- ``"none"``: ``request.user`` is a `TokenUser`. No table is read or written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connections, models, transaction
from django.db.models import Exists, OuterRef
from django.utils.module_loading import import_string

from oauth_resource_server.conf import PerProcess, conf
from oauth_resource_server.errors import ResourceOwnerRefused
from oauth_resource_server.models import LinkedUser
from oauth_resource_server.tokens import AccessToken

CREATE, LINKED, NONE = "create", "linked", "none"
FLAGS = ("is_active", "is_staff", "is_superuser")
NO_ADDRESS = "@users.invalid"  # RFC 2606 section 2: mail to it is never delivered.


@dataclass(frozen=True, slots=True)
class TokenUser:
    """``request.user`` with ``"USERS": "none"``: a person without a row in the database.

    Permissions and throttles of Django REST Framework accept it. It has no Django permissions.
    """

    iss: str
    sub: str
    name: str = ""  # for display only

    is_authenticated = is_active = True
    is_anonymous = is_staff = is_superuser = False

    @property
    def pk(self) -> str:
        """UUID made from issuer and subject. Throttles count by it, so None would be shared."""
        return username_of(self.iss, self.sub)

    id = pk

    def __str__(self) -> str:
        return self.name or self.sub

    def get_username(self) -> str:
        return self.pk

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return False

    def has_perms(self, perms: Iterable[str], obj: Any = None) -> bool:
        return not list(perms)

    def has_module_perms(self, app_label: str) -> bool:
        return False


def username_of(issuer: str, sub: str) -> str:
    """Return a UUID for `sub` at `issuer`, which has no fragment (RFC 8414 section 2)."""
    return str(uuid5(NAMESPACE_URL, f"{issuer}#{sub}"))


def local_user(access_token: AccessToken) -> AbstractBaseUser | TokenUser:
    """Return the user of the person of `access_token`, or raise `ResourceOwnerRefused`."""
    name = (access_token.username or "")[:255]
    if conf().users == NONE:
        return TokenUser(access_token.iss, access_token.sub, name)
    link = _find(access_token)
    if link is None and conf().users == CREATE:
        link = _create(access_token, name)
    if link is None or _refuses(link, access_token):
        raise ResourceOwnerRefused("No user who may use access tokens is linked to their owner.")
    if name and link.name != name:
        LinkedUser.objects.filter(pk=link.pk).update(name=name)
    return link.user


def is_refused(access_token: AccessToken) -> bool:
    """Return whether `local_user` would refuse the owner of `access_token`. Creates no user."""
    # A rule of an issuer may recognize a machine by a name or address, which people can choose.
    # Only `sub` proves that a token is the client's own; any other may belong to a person.
    is_of_client = access_token.is_machine and access_token.sub == access_token.client_id
    if conf().users == NONE or is_of_client:
        return False
    sql, owner = _flags_sql(), (access_token.iss, access_token.sub)
    if sql is None:
        link = _find(access_token)
        refuses = link and _refuses(link, access_token)
    else:
        with connections[LinkedUser.objects.db].cursor() as cursor:
            cursor.execute(sql, owner)
            row = cursor.fetchone()
        refuses = row and ((row[0], row[1]) != owner or not row[2] or any(row[3:]))
    if refuses is None:
        return conf().users != CREATE and not access_token.is_machine
    return bool(refuses)


@PerProcess
def _flags_sql() -> str | None:
    """Return the SQL for what `_refuses` reads; its parameters are an issuer and a subject.

    Every new token needs them, and Django takes forty times longer to write the query than to
    execute it. None if the user model computes one of them, or its default manager hides users.
    """
    model = get_user_model()
    fields = {field.name for field in model._meta.concrete_fields}
    if not fields.issuperset(FLAGS) or model._default_manager.all().query.where:
        return None
    rows = LinkedUser.objects.filter(issuer="", sub="")
    rows = rows.values_list("issuer", "sub", *(f"user__{name}" for name in FLAGS))
    return str(rows.query.get_compiler(rows.db).as_sql()[0])


def _find(access_token: AccessToken) -> LinkedUser | None:
    visible = get_user_model()._default_manager.filter(pk=OuterRef("user"))
    links = LinkedUser.objects.filter(issuer=access_token.iss, sub=access_token.sub)
    return links.select_related("user").annotate(is_visible=Exists(visible)).first()


def _refuses(link: LinkedUser, access_token: AccessToken) -> bool:
    # A narrow token must not act for an administrator, and a user may be promoted later. Attributes
    # may be fields or properties; a user model without them has neither staff nor inactive users.
    user = link.user
    return (
        # A case-insensitive collation (MySQL) finds other spellings, which are other people.
        (link.issuer, link.sub) != (access_token.iss, access_token.sub)
        # The default manager of the user model may hide users, such as soft-deleted ones.
        or not getattr(link, "is_visible", True)
        or not getattr(user, "is_active", True)
        or bool(getattr(user, "is_staff", False))
        or bool(getattr(user, "is_superuser", False))
    )


def _create(access_token: AccessToken, name: str) -> LinkedUser:
    try:
        with transaction.atomic():
            user = _new_user(access_token)
            user.set_unusable_password()
            # A factory cannot return an existing user: its primary key would be inserted again.
            user.save(force_insert=True)
            return LinkedUser.objects.create(
                issuer=access_token.iss, sub=access_token.sub, user=user, name=name
            )
    except IntegrityError:
        if link := _find(access_token):
            return link
        raise


def _new_user(access_token: AccessToken) -> Any:
    model = get_user_model()
    username = _username_in(model._meta.get_field(model.USERNAME_FIELD), access_token)
    if factory := conf().user_factory:
        return import_string(factory)(access_token, username)
    return model(**{model.USERNAME_FIELD: username})


def _username_in(field: Any, access_token: AccessToken) -> str:
    username = username_of(access_token.iss, access_token.sub)
    return username + NO_ADDRESS if isinstance(field, models.EmailField) else username


def unfilled_fields() -> Iterator[str]:
    """Yield the fields of the user model that need a value, which only a ``USER_FACTORY`` knows."""
    model = get_user_model()
    for field in model._meta.concrete_fields:
        if field.name == model.USERNAME_FIELD:
            try:
                field.clean(_username_in(field, AccessToken(sub="")), None)
            except ValidationError:
                yield field.name
        elif not (
            field.primary_key
            or field.null
            or field.has_default()
            or getattr(field, "auto_now", False)
            or getattr(field, "auto_now_add", False)
            or (field.empty_strings_allowed and not field.unique)
        ):
            yield field.name
