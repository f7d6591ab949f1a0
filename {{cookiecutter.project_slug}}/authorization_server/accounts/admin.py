"""Users on the administration site: Django's pages, with the e-mail address as the user name.

Their second factors and sessions are shown without secrets, and can be deleted only.
"""

from typing import Any

from allauth.account import admin as _  # noqa: F401  (it registers its pages)
from allauth.account.models import EmailAddress
from allauth.mfa import admin as _mfa  # noqa: F401
from allauth.mfa.models import Authenticator
from allauth.usersessions import admin as _sessions  # noqa: F401
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User
from audit.admin import ReadOnlyAdmin


class UserCreationForm(AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email", "name")


class UserEditForm(UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"


@admin.action(description="Revoke every token of the selected users", permissions=["change"])
def revoke_tokens(page: Any, request: HttpRequest, queryset: QuerySet[User]) -> None:
    """End the tokens, and keep the accounts."""
    count = sum(user.revoke_everything() for user in queryset)
    page.message_user(request, f"Revoked {count} access tokens and all refresh tokens.")


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    add_form = UserCreationForm
    form = UserEditForm
    actions = (revoke_tokens,)
    list_display = ("email", "name", "is_staff", "is_active")
    list_filter = ("is_staff", "is_superuser", "is_active", "groups")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("id", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("id", "email", "name", "password")}),
        (
            "Permissions",
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),
    )

    def save_model(self, request: HttpRequest, user: User, form: Any, change: bool) -> None:
        """Take an address that an administrator has typed as verified, and the only one."""
        super().save_model(request, user, form, change)
        if "email" in form.changed_data or not change:
            user.verify_email()


class DeletingAdmin(ReadOnlyAdmin):
    """Pages that list and delete."""

    search_fields = ("user__email",)
    has_delete_permission = admin.ModelAdmin.has_delete_permission


# The address is on the page of the user.
admin.site.unregister([EmailAddress, Authenticator, UserSession])


@admin.register(Authenticator)
class AuthenticatorAdmin(DeletingAdmin):
    """Second factors, to delete one that its owner has lost. `data` has the secrets."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    fields = ("user", "type", "created_at", "last_used_at")


@admin.register(UserSession)
class UserSessionAdmin(DeletingAdmin):
    list_display = ("user", "ip", "user_agent", "created_at")
    fields = ("user", "ip", "user_agent", "created_at")
