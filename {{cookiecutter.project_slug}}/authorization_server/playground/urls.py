"""URLs below ``/playground/``, the redirect URI of the client."""

from django.urls import path

from playground import views

urlpatterns = [
    path("", views.page, name="playground"),
    path("outage/", views.begin_outage, name="playground-outage"),
    path("token/", views.ShortLivedTokenView.as_view(), name="playground-token"),
]
