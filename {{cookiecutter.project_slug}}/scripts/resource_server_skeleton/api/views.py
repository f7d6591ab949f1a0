"""Views of the API. Without `permission_classes`, a view accepts any valid access token.

The API documentation shows the docstrings of the views.
"""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from oauth2_provider.contrib.rest_framework import TokenHasReadWriteScope
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from api.models import Item
from api.serializers import ItemSerializer, PingSerializer, WhoAmISerializer
from oauth_resource_server import AccessToken

PING = {
    "name": settings.MANIFEST["name"],
    "title": settings.MANIFEST["title"],
    "audience": settings.AUDIENCE,
    "scope": " ".join(settings.MANIFEST["scopes"]),
    "iss": settings.AUTHORIZATION_SERVER_URL,
}


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer 404 for an unknown address, as the framework does for an unknown item."""
    return JsonResponse({"detail": "Not found."}, status=404)


class PingView(APIView):
    """Describe this API. Needs no access token."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(responses=PingSerializer)
    def get(self, request: Request) -> Response:
        return Response(PingSerializer(PING).data)


class WhoAmIView(APIView):
    """Return the claims of the access token."""

    @extend_schema(responses=WhoAmISerializer)
    def get(self, request: Request) -> Response:
        return Response(WhoAmISerializer(request.auth).data)


class WholeNumberFilter(filters.NumberFilter):  # type: ignore[misc]
    """Django-filter's own takes fractions, which the API documentation does not offer."""

    field_class = forms.IntegerField


class ItemFilter(filters.FilterSet):  # type: ignore[misc]
    """``?name=`` (part of the name, in any case), ``?min_quantity=`` and ``?max_quantity=``."""

    name = extend_schema_field({"type": "string", "pattern": r"^[^\x00]*$"})(
        filters.CharFilter(lookup_expr="icontains")
    )
    min_quantity = WholeNumberFilter(field_name="quantity", lookup_expr="gte")
    max_quantity = WholeNumberFilter(field_name="quantity", lookup_expr="lte")


class ItemPagination(PageNumberPagination):
    """``?page=`` and ``?page_size=``: 20 items by default, at most 100."""

    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100

    def get_page_size(self, request: Request) -> int | None:
        """Refuse a size that is not a number; the framework would take the default."""
        try:
            int(request.query_params.get("page_size") or self.page_size)
        except ValueError as error:
            raise ValidationError({"page_size": ["A valid integer is required."]}) from error
        return super().get_page_size(request)


class ItemViewSet(ModelViewSet[Item]):
    """Your items: those of the person who signed in, or of a program that acts for itself."""

    # READ_SCOPE of the settings for safe methods, WRITE_SCOPE for the others.
    permission_classes = (TokenHasReadWriteScope,)
    serializer_class = ItemSerializer
    filterset_class = ItemFilter
    pagination_class = ItemPagination

    def owner(self) -> dict[str, str]:
        """Return the fields of an item that identify its owner."""
        token: AccessToken = self.request.auth  # type: ignore[assignment]
        return {"issuer": token.iss, "sub": token.sub}

    def get_queryset(self) -> QuerySet[Item]:
        if getattr(self, "swagger_fake_view", False):  # The schema is generated without a token.
            return Item.objects.none()
        return Item.objects.filter(**self.owner())

    def perform_create(self, serializer: BaseSerializer[Item]) -> None:
        """Save. Answer 409 if the owner has another item of this name."""
        try:
            with transaction.atomic():
                serializer.save(**self.owner())
        except IntegrityError as error:
            taken = ValidationError({"name": ["You have an item of this name."]}, code="unique")
            taken.status_code = 409
            raise taken from error

    perform_update = perform_create


class DocumentationView(SpectacularSwaggerSplitView):
    """Swagger UI. Its scripts reach this server, and the one where people sign in."""

    @property
    def default_response_headers(self) -> dict[str, str]:
        policy = f"""default-src 'self'; connect-src 'self' {settings.AUTHORIZATION_SERVER_URL};
            img-src 'self' data:; base-uri 'none'; form-action 'none'; object-src 'none'"""
        policies = {"Content-Security-Policy": " ".join(policy.split())}
        return {**super().default_response_headers, **policies}


class SchemaView(SpectacularAPIView):
    """The OpenAPI document, rendered once per process: it takes 20 ms of CPU and needs no token."""

    documents: ClassVar[dict[str, tuple[Any, dict[str, str]]]] = {}

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        renderer = request.accepted_renderer
        if renderer.media_type not in self.documents:
            response = super().get(request)  # type: ignore[no-untyped-call]
            content = renderer.render(response.data, renderer.media_type, {})
            headers = dict(response.headers) | {"Content-Type": renderer.media_type}
            self.documents[renderer.media_type] = content, headers
        content, headers = self.documents[renderer.media_type]
        return HttpResponse(content, headers=headers)
