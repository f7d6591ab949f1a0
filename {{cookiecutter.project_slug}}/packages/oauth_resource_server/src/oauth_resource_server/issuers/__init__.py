"""Whose tokens are accepted, and how it is found out whether one is good.

In the order in which a token meets them, each importing from further down only::

    routing          which issuer may see it: the one it names, or those that may have minted it
    issuer           one issuer: verifies, asks, or both; `probe` for health
    jwt, jwks        the signature and the header (RFC 7515, RFC 8725); the keys (RFC 7517)
    tokeninfo        Google's endpoint for opaque tokens, in the shape of RFC 7662
    acceptance       whether a token that is genuine is meant for this resource server
    claims           what the claims of each vendor come to: an `AccessToken`
    environment      variables and a TOML file → tables of options
    options          tables of options → the settings of each issuer
    presets          the same for each vendor
    settings         what there is to know about one issuer
"""
