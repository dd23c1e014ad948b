# The image of the sidecar; config/containers/README.md says how to run it.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY src ./src
# npm makes no bill of materials where development tools are missing, and with --omit=dev leaves out what both they and the
# product need; so package.json forgets them first.
RUN npm run build \
 && chmod +x dist/main.js \
 && npm prune --omit=dev \
 && npm pkg delete devDependencies \
 && npm sbom --sbom-type=application --sbom-format=cyclonedx > sbom.cdx.json

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
# The default outbox, ./data beside the configuration file, leads to the volume: so a file that says nothing about it
# works although the root file system may be read-only. It holds what users wrote: nobody else is to read it.
# The link is for `docker exec`.
RUN mkdir config && install --directory --mode=0700 --owner=1000 --group=1000 /data && ln -s /data config/data \
 && ln -s /app/dist/main.js /usr/local/bin/xmpp-event-pusher
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/sbom.cdx.json ./
COPY package.json LICENSE ./
# package.json's version (a test compares them); the commit is for whoever builds a release to say.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="xmpp-event-pusher" \
      org.opencontainers.image.description="A sidecar for XMPP servers: stanzas become HTTP notifications." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/node:24-bookworm-slim"
VOLUME ["/data"]
EXPOSE 9464
# By number, so that an orchestrator can see that it is not root.
USER 1000:1000
STOPSIGNAL SIGTERM
# With the limit for which `run` would otherwise start Node once more.
ENTRYPOINT ["node", "--max-semi-space-size=16", "dist/main.js"]
# The configuration is mounted at /app/config/event-pusher.yaml.
CMD ["run"]
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s --retries=3 CMD ["node", "dist/main.js", "healthcheck"]
