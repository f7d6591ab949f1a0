"""JSON representations of requests and responses."""

from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers

from api.models import Item


class PingSerializer(serializers.Serializer[dict[str, Any]]):
    """What this API is called, and whose access tokens it accepts."""

    name = serializers.CharField(help_text="Name of this API, with which its scopes begin")
    title = serializers.CharField()
    audience = serializers.CharField(help_text="What its access tokens are for (RFC 8707)")
    scope = serializers.CharField(help_text="Scopes it knows, separated by spaces")
    iss = serializers.CharField(help_text="Authorization server whose tokens it accepts")


class WhoAmISerializer(serializers.Serializer[Any]):
    """Claims of an access token (RFC 7662 section 2.2)."""

    sub = serializers.CharField(help_text="The person, or the program that acts for itself")
    client_id = serializers.CharField()
    scope = serializers.CharField(help_text="Scopes of this resource server, separated by spaces")
    exp = serializers.IntegerField(
        allow_null=True, help_text="Expiry of the token in Unix seconds; null if unknown"
    )
    iss = serializers.CharField(help_text="Authorization server that issued the token")


class Text(serializers.CharField):
    """Refuses a number, which the framework would turn into text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class ItemSerializer(serializers.ModelSerializer[Item]):
    """A thing with a name, which no other thing of its owner has."""

    # The framework checks the pattern itself. It is for the API documentation.
    name = Text(max_length=100, validators=[RegexValidator(r"^[^\x00]*[^\s\x00][^\x00]*$")])

    class Meta:
        model = Item
        fields = ["id", "name", "quantity", "created", "updated"]
