# Starts the Prosody of docker-compose.yml: two users, and the secret from its file.
export DEMO_FOLDER=/data DEMO_TAP_FOLDER=/demo/taps DEMO_ADDRESS='*' DEMO_CLIENT_PORT=5222 DEMO_COMPONENT_PORT=5347
DEMO_SECRET=$(cat /run/secrets/component_secret) || exit 1
export DEMO_SECRET
for user in alice bob; do
  prosodyctl --config /demo/prosody.cfg.lua register $user localhost secret || exit 1
done
exec prosody --config /demo/prosody.cfg.lua -F
