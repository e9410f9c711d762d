# cpack -G DEB makes outrider (component "agent") and outrider-usdt-dev (component "usdt"). Comes last: CPack reads
# what the install() commands before it have said.
set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL agent usdt)
set(CPACK_PACKAGE_NAME outrider)
set(CPACK_PACKAGE_CONTACT "Outrider developers <outrider@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
# Whatever the umask of whoever packs.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                                                WORLD_READ WORLD_EXECUTE)

set(debian ${PROJECT_SOURCE_DIR}/packaging/debian)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_AGENT_PACKAGE_NAME outrider)
set(CPACK_DEBIAN_AGENT_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_AGENT_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_AGENT_PACKAGE_SUGGESTS "prometheus-node-exporter, libpq5")
set(CPACK_DEBIAN_AGENT_PACKAGE_CONTROL_EXTRA ${debian}/conffiles ${debian}/postinst ${debian}/prerm ${debian}/postrm)
set(CPACK_COMPONENT_AGENT_DESCRIPTION "eBPF profiler for query engines
Watches a query engine that is already running, from outside: no restart, no
recompilation, no password. Says each interval how many queries of each type
ran, how fast, how many failed, what they waited on, and what watching costs.
.
The service keeps history and exports to Prometheus, InfluxDB and files. It
attaches to nothing until its configuration names a target.")

set(CPACK_DEBIAN_USDT_PACKAGE_NAME outrider-usdt-dev)
set(CPACK_DEBIAN_USDT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_USDT_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_USDT_PACKAGE_CONTROL_EXTRA ${debian}/usdt/shlibs ${debian}/usdt/triggers)
set(CPACK_COMPONENT_USDT_DESCRIPTION "static probes for query engines, development files
Headers that give an engine in C or C++ the probes which outrider reads, and a
shared library with a C ABI for other languages. A probe that nobody watches
costs a load and a branch.")

include(CPack)
