"""JSON representations of requests and responses."""

from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers

from api.models import Item


class PingSerializer(serializers.Serializer[dict[str, Any]]):
    """This resource server, by its manifest."""

    name = serializers.CharField(help_text="Name of the resource server")
    title = serializers.CharField()
    audience = serializers.CharField(help_text="RFC 8707 resource identifier")
    scope = serializers.CharField(help_text="Scopes it knows, separated by spaces")
    iss = serializers.CharField(help_text="Authorization server whose tokens it accepts")


class WhoAmISerializer(serializers.Serializer[Any]):
    """Claims of an access token (RFC 7662 section 2.2)."""

    sub = serializers.CharField(help_text="Person, or the client itself for a machine token")
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
    """An item without its owner, who is always the subject of the access token."""

    # The framework checks the pattern itself. It is for the API documentation.
    name = Text(max_length=100, validators=[RegexValidator(r"^[^\x00]*[^\s\x00][^\x00]*$")])

    class Meta:
        model = Item
        fields = ["id", "name", "quantity", "created", "updated"]
