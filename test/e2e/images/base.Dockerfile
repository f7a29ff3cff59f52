# What takes the place of a public base image with Node where no registry can be reached: the context is an unpacked Debian.
FROM scratch
COPY . /
ENV PATH=/usr/local/bin:/usr/bin
