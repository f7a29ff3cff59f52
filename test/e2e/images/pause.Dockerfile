# What holds a pod's namespaces: it does nothing until it is killed.
FROM scratch
COPY busybox /busybox
ENTRYPOINT ["/busybox", "sleep", "2147483647"]
