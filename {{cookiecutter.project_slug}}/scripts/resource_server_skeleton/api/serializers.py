"""JSON representations of requests and responses."""

from typing import Any

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
    exp = serializers.IntegerField(help_text="Expiry of the token in Unix seconds")
    iss = serializers.CharField(help_text="Authorization server that issued the token")


class ItemSerializer(serializers.ModelSerializer[Item]):
    """An item without its owner, who is always the subject of the access token."""

    class Meta:
        model = Item
        fields = ["id", "name", "quantity", "created", "updated"]
