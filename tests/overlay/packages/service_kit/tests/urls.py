"""The service has no pages: every address is unknown."""

urlpatterns = []
