# Run nginx. Before it stops, /health answers 503 for DRAIN_SECONDS, so that a balancer takes this node out.
set -eu
for address in ${BALANCER_ADDRESSES:-}; do
    echo "set_real_ip_from $address;"
done >/tmp/balancers.conf
nginx -c /etc/platform/nginx.conf &
pid=$!
trap 'touch /tmp/draining; sleep "$DRAIN_SECONDS"; kill -QUIT "$pid"' QUIT TERM
# A signal ends the first `wait`.
wait "$pid" || wait "$pid"
