"""URLs below ``/api/``."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from api.views import ItemViewSet, PingView, WhoAmIView

router = SimpleRouter()
router.register("items", ItemViewSet, basename="item")

urlpatterns = [
    path("ping/", PingView.as_view(), name="ping"),
    path("whoami/", WhoAmIView.as_view(), name="whoami"),
    *router.urls,
]
