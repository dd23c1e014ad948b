FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
# By number, so that an orchestrator can see that it is not root.
USER 1000:1000
ENTRYPOINT ["node", "dist/main.js"]
# The configuration is mounted at /app/config/event-pusher.yaml.
CMD ["run"]
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["node", "dist/main.js", "healthcheck"]
