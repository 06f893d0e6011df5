# The service, as server (default) and as worker (CMD ["node", "src/worker.ts"]). Node runs the TypeScript as it is: no build, no npm.
FROM docker.io/library/node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=peer --omit=optional

# The Prisma CLI is a development dependency, so the client is generated beside the tree that is shipped.
FROM dependencies AS client
RUN npm ci --omit=optional
COPY prisma.config.ts ./
COPY prisma prisma
RUN npx prisma generate

# What no process reads: types, source maps, and Prisma's query compilers for other databases (half of the tree).
FROM dependencies AS trimmed
RUN find node_modules -type f -regex '.*\.\(map\|d\.[cm]?ts\)' -delete \
  && find node_modules/@prisma/client/runtime -name 'query_compiler_*' ! -name '*.postgresql.*' -delete

FROM docker.io/library/debian:trixie-slim
# A name for the number: some libraries look their own user up.
RUN echo 'ephemera:x:10001:10001:ephemera:/nonexistent:/usr/sbin/nologin' >> /etc/passwd \
  && echo 'ephemera:x:10001:' >> /etc/group
COPY --from=dependencies /usr/local/bin/node /usr/local/bin/node
WORKDIR /app
COPY --from=trimmed /app/node_modules node_modules
COPY package.json LICENSE ./
COPY prisma/migrations prisma/migrations
COPY src src
COPY --from=client /app/src/storage/generated src/storage/generated
ENV NODE_ENV=production
USER 10001:10001
EXPOSE 8090
CMD ["node", "src/server.ts"]
