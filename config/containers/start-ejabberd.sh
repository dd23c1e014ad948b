# Starts the ejabberd of docker-compose.yml: the lines of config/ejabberd/mod_event_pusher_tap.yml for localhost, with the
# secret from its file, and two users. It starts Erlang itself, because ejabberdctl requires the user "ejabberd".
secret=$(cat /run/secrets/component_secret) || exit 1
sed -e "s/a long random secret/$secret/" -e 's/example\.com/localhost/' -e 's/ip: .*/ip: 0.0.0.0/' \
  /demo/mod_event_pusher_tap.yml > /data/tap.yml
export HOME=/data ERL_CRASH_DUMP=/dev/null ERL_LIBS="/usr/lib/$(uname -m)-linux-gnu"
export EJABBERD_CONFIG_PATH=/demo/ejabberd.yml EJABBERD_LOG_PATH=/data/ejabberd.log
exec erl -noinput -pa /demo/beams -mnesia dir '"/data/mnesia"' -s ejabberd \
  -eval '[ejabberd_auth:try_register(User, <<"localhost">>, <<"secret">>) || User <- [<<"alice">>, <<"bob">>]].'
