# The toolbox for tests: its runner also starts shells, writers, sleepers and eaters of memory (build tag testtools). Never shipped.
FROM docker.io/library/debian:trixie-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends golang-go
COPY runner /src/runner
RUN cd /src/runner && CGO_ENABLED=0 GOTOOLCHAIN=local go build -trimpath -buildvcs=false -tags testtools -ldflags "-s -w" -o /runner .
COPY test-tool /src/test-tool
RUN cd /src/test-tool && CGO_ENABLED=0 GOTOOLCHAIN=local go build -trimpath -buildvcs=false -ldflags "-s -w" -o /test-tool .

FROM docker.io/ephemera/toolbox:latest
COPY --from=build /runner /ephemera/runner
COPY --from=build /test-tool /usr/bin/test-tool
