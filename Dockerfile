# The image of the controller: Node on a base that holds nothing else, not even a shell; it runs as nobody, and writes nothing.
# Pin the bases by digest, or take others: --build-arg NODE_IMAGE=…@sha256:… --build-arg BASE_IMAGE=…@sha256:…
# What is built is the same for every processor: docker buildx build --platform linux/amd64,linux/arm64 .
ARG NODE_IMAGE=docker.io/library/node:24.21.0-bookworm-slim
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-progress --loglevel=error
COPY . .
RUN node scripts/run.mjs scripts/build.ts /out \
  && npm ci --omit=dev --omit=optional --ignore-scripts --no-progress --loglevel=error \
  && find node_modules -type f \( -name "*.d.ts" -o -name "*.d.mts" -o -name "*.d.cts" -o -name "*.map" -o -name "*.md" \) -exec rm {} + \
  && mv node_modules /out/

FROM ${NODE_IMAGE} AS node

FROM ${BASE_IMAGE}
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=build /out /worktide
# One arena of malloc for all threads: Node's own work is done by one of them, and each further arena keeps some MiB for itself.
ENV NODE_ENV=production MALLOC_ARENA_MAX=1
WORKDIR /worktide
USER 65532:65532
EXPOSE 8484
# A nursery of 2 MiB: with ten thousand triggers, what lives for a round is then not taken for what stays.
ENTRYPOINT ["/usr/local/bin/node", "--min-semi-space-size=2", "--max-semi-space-size=2", "/worktide/src/main.js"]
CMD ["controller"]
