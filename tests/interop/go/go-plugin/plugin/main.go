// The echo plugin in Go: what our host starts, and what our plugin is measured against.
package main

import (
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"serinus.dev/interop/go-plugin/echo"
)

func main() {
	logger := hclog.New(&hclog.LoggerOptions{Name: "echo", Level: hclog.Debug, Output: os.Stderr, JSONFormat: true})
	logger.Warn("about to serve", "pid", os.Getpid())
	plugin.Serve(&plugin.ServeConfig{HandshakeConfig: echo.Handshake, Plugins: echo.Plugins, Logger: logger})
}
