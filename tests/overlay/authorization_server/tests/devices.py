"""The requests of the device flow, of the device and of the person at a browser."""

from django.urls import reverse
from tests.flows import post_form, request_token

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


def start_device(headers=None, **changes):
    """Return the response of the device authorization endpoint."""
    data = {"client_id": "demo-device", "scope": "orders:read"} | changes
    return post_form("/o/device-authorization/", data, headers)


def poll(device_code, /, **changes):
    """Return the response of the token endpoint to a device."""
    data = {"grant_type": DEVICE_CODE, "client_id": "demo-device", "device_code": device_code}
    return request_token(**data | changes)


def connect(browser, user_code, action="accept"):
    """Enter the code of a device, and accept or deny."""
    confirmation = browser.post(reverse("oauth2_provider:device"), {"user_code": user_code})
    return browser.post(confirmation["Location"], {"action": action})
