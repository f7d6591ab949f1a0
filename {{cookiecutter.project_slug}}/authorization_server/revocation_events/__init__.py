"""Revocation events: resource servers learn within a second which access tokens are dead.

`models` (the table), `raising` (signals that write it), `stream` (one reader in each process),
`endpoint` (the long poll of resource servers).
"""
