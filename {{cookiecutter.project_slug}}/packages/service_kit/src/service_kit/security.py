"""Settings of django-oauth-toolkit that are the same in every service."""

# RFC 9700, best current practice. Most rules guard endpoints of an authorization server. Resource
# servers set them too, so that a URL pattern mounted by accident opens nothing.
RFC9700: dict[str, object] = {
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
} | {
    f"COMPLIANT_BCP_RFC9700_{rule}": True
    for rule in (
        "ACCESS_TOKEN_TRANSPORT",
        "AUTHZ_RESPONSE_ISS",
        "IMPLICIT_GRANT",
        "PASSWORD_GRANT",
        "PKCE_METHOD",
        "PKCE_REQUIRED",
        "REDIRECT_URI_MATCHING",
        "REDIRECT_URI_SCHEME",
        "REFRESH_TOKEN",
        "TOKEN_STORAGE",
    )
}
