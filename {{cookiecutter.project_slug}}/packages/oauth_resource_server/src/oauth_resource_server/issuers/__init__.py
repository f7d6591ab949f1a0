"""Issuers of access tokens: their settings, and the validation of their tokens.

In the order in which a token passes them; each module imports only modules further down::

    route                        which issuers may see a token
    issuer                       one issuer: introspection, signature, or both; `probe` for health
    jwks, keys                   key sets (RFC 7517)
    jwt                          header, signature and claims of a JWT (RFC 7515, RFC 8725)
    introspection                RFC 7662: ask, and judge the response; Google's tokeninfo
    token_checks                 whether an authentic token is meant for this resource server
    claims                       claims of any vendor → `AccessToken`
    environment                  environment variables and TOML → tables of options
    options                      tables of options → settings of each issuer
    presets                      values of a vendor's console → settings of one issuer
    settings                     settings of one issuer
"""
