# What takes the place of the public base of the controller's image: the C and C++ libraries and certificates.
FROM scratch
COPY . /
ENV PATH=/usr/local/bin:/usr/bin
