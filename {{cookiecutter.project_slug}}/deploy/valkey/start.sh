# Start Valkey with one administrator and the users that deploy/provision.py has added.
set -eu
digest=$(sha256sum /run/secrets/VALKEY_PASSWORD | cut -c 1-64)
touch users.acl
{
    echo "user default off resetkeys resetchannels -@all"
    echo "user admin on #$digest ~* &* +@all"
    grep -v -e '^user default ' -e '^user admin ' users.acl || true
} > users.acl.new
mv users.acl.new users.acl

# A cache of introspection answers: the least used are evicted, none has to survive a restart.
exec valkey-server --aclfile users.acl --dir /data --save "" --appendonly no \
    --maxmemory 64mb --maxmemory-policy allkeys-lru --protected-mode no
