// argocd-cmp-server as Argo CD has it (cmd/argocd-cmp-server/commands), without its flags and its tracing, so that a
// plugin of ours and one behind it are measured in the same run.
//
//	server FOLDER    FOLDER holds plugin.yaml; the socket comes into ARGOCD_PLUGINSOCKFILEPATH
package main

import (
	"fmt"
	"os"

	"github.com/argoproj/argo-cd/v3/cmpserver"
	"github.com/argoproj/argo-cd/v3/cmpserver/plugin"
	"github.com/sirupsen/logrus"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: %s FOLDER", os.Args[0])
	}
	// Its defaults.
	logrus.SetFormatter(&logrus.JSONFormatter{})
	logrus.SetLevel(logrus.InfoLevel)
	config, err := plugin.ReadPluginConfig(os.Args[1])
	if err != nil {
		return err
	}
	server, err := cmpserver.NewServer(plugin.CMPServerInitConstants{PluginConfig: *config})
	if err != nil {
		return err
	}
	server.Run()
	return nil
}
