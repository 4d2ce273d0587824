package main

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin"

	"serinus.dev/interop/go-plugin/echo"
)

// reattach: a second client takes over the plugin that a first one started.
func reattach(file string, _ []string) error {
	return with(file, nil, func(s *started) error {
		second := plugin.NewClient(&plugin.ClientConfig{
			HandshakeConfig: echo.Handshake,
			Plugins:         echo.Plugins,
			Reattach:        s.client.ReattachConfig(),
			Logger:          nil,
		})
		protocol, err := second.Client()
		if err != nil {
			return err
		}
		client, err := dispense(protocol)
		if err != nil {
			return err
		}
		if text, err := say(client, "Echo", "taken over", 0); err != nil || text != "taken over" {
			return fmt.Errorf("over the second client: %q, %v", text, err)
		}
		return s.ping()
	})
}

// connections: several at once, of which one ends.
func connections(file string, _ []string) error {
	return with(file, nil, func(s *started) error {
		address := s.client.ReattachConfig().Addr
		for i := range 5 {
			connection, err := net.Dial(address.Network(), address.String())
			if err != nil {
				return err
			}
			// Some only look whether someone listens.
			if i%2 == 0 {
				if err := connection.Close(); err != nil {
					return err
				}
				continue
			}
			protocol, err := plugin.NewRPCClient(connection, echo.Plugins)
			if err != nil {
				return err
			}
			client, err := dispense(protocol)
			if err != nil {
				return err
			}
			if text, err := say(client, "Echo", "again", 0); err != nil || text != "again" {
				return fmt.Errorf("over connection %d: %q, %v", i, text, err)
			}
			if err := connection.Close(); err != nil {
				return err
			}
		}
		text, err := s.say("Echo", "first", 0)
		if err != nil || text != "first" {
			return fmt.Errorf("over the first connection: %q, %v", text, err)
		}
		return nil
	})
}

// prints: what the plugin prints on stdout reaches the host's SyncStdout.
func prints(file string, _ []string) error {
	return with(file, nil, func(s *started) error {
		if _, err := s.say("Print", "printed", 0); err != nil {
			return err
		}
		return eventually("what was printed", func() bool { return strings.Contains(s.stdout.String(), "printed\n") })
	})
}

// logs: what the plugin logs is logged by the host at its level, with its fields.
func logs(file string, _ []string) error {
	return with(file, nil, func(s *started) error {
		// The second is longer than what the host reads as one line.
		for _, text := range []string{"a \"warning\"\nin two lines", strings.Repeat("long ", 40_000)} {
			if _, err := s.say("Log", text, 42); err != nil {
				return err
			}
		}
		if _, err := s.say("Log", "last", 42); err != nil {
			return err
		}
		if err := eventually("the last line", func() bool { return s.log.find("last") != nil }); err != nil {
			return err
		}
		entry := s.log.find("a \"warning\"\nin two lines")
		if entry == nil || entry["@level"] != "warn" || entry["millis"] != 42.0 {
			return fmt.Errorf("logged as %v", entry)
		}
		for line := range strings.Lines(s.log.text()) {
			if strings.Contains(line, "long long") && !strings.Contains(line, `"@level":"warn"`) {
				return fmt.Errorf("a long line lost its level: %.200s", line)
			}
		}
		return nil
	})
}

// quit: Control.Quit ends the plugin and removes its socket.
func quit(file string, _ []string) error {
	s, err := start(file)
	if err != nil {
		return err
	}
	path := s.client.ReattachConfig().Addr.String()
	if _, err := os.Stat(path); err != nil {
		return err
	}
	if err := s.end(); err != nil {
		return err
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		return fmt.Errorf("the socket is still there: %v", err)
	}
	return nil
}

// signals: SIGINT is the host's business, SIGTERM ends the plugin, SIGKILL leaves a socket that the next one removes.
func signals(file string, _ []string) error {
	dir, err := os.MkdirTemp("", "signals")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	sockets := func() int {
		entries, _ := filepath.Glob(filepath.Join(dir, "*"))
		return len(entries)
	}
	end := func(signal syscall.Signal) error {
		s, err := start(file, "PLUGIN_UNIX_SOCKET_DIR="+dir)
		if err != nil {
			return err
		}
		defer s.client.Kill()
		pid := s.client.ReattachConfig().Pid
		if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
			return err
		}
		if text, err := s.say("Sleep", "still there", 200); err != nil || text != "still there" {
			return fmt.Errorf("after SIGINT: %q, %v", text, err)
		}
		if err := syscall.Kill(pid, signal); err != nil {
			return err
		}
		return eventually("the end by "+signal.String(), s.client.Exited)
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		if err := end(signal); err != nil {
			return err
		}
		if sockets() != 0 {
			return fmt.Errorf("%v left a socket", signal)
		}
	}
	if err := end(syscall.SIGKILL); err != nil {
		return err
	}
	if sockets() != 1 {
		return fmt.Errorf("there are %d sockets after SIGKILL, which nobody can react to", sockets())
	}
	return with(file, []string{"PLUGIN_UNIX_SOCKET_DIR=" + dir}, func(*started) error {
		return eventually("the old socket is removed", func() bool { return sockets() == 1 })
	})
}

// hold: starts the plugin, prints its pid and socket, and waits to be killed; with "unconnected" it never connects.
func hold(file string, args []string) error {
	config, _, _ := config(file)
	config.Stderr = os.Stderr
	client := plugin.NewClient(config)
	if _, err := client.Start(); err != nil {
		return err
	}
	if len(args) == 0 {
		protocol, err := client.Client()
		if err != nil {
			return err
		}
		echo, err := dispense(protocol)
		if err != nil {
			return err
		}
		// A call is under way when the host dies.
		go say(echo, "Sleep", "", 60_000)
		time.Sleep(50 * time.Millisecond)
	}
	reattach := client.ReattachConfig()
	fmt.Printf("%d %s\n", reattach.Pid, reattach.Addr)
	select {}
}

// socket: the directory and the group of the socket are the ones that the host wants.
func socket(file string, _ []string) error {
	dir, err := os.MkdirTemp("", "socket")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	config, _, _ := config(file, "PLUGIN_UNIX_SOCKET_DIR="+dir)
	config.UnixSocketConfig = &plugin.UnixSocketConfig{Group: fmt.Sprint(os.Getegid())}
	client := plugin.NewClient(config)
	address, err := client.Start()
	if err != nil {
		return err
	}
	defer client.Kill()
	if filepath.Dir(address.String()) != dir {
		return fmt.Errorf("%v is not in %s", address, dir)
	}
	info, err := os.Stat(address.String())
	if err != nil {
		return err
	}
	if got := info.Mode() & (fs.ModeSocket | fs.ModePerm); got != fs.ModeSocket|0o660 {
		return fmt.Errorf("the socket's mode is %v", got)
	}
	if gid := info.Sys().(*syscall.Stat_t).Gid; int(gid) != os.Getegid() {
		return fmt.Errorf("the socket's group is %d", gid)
	}
	return nil
}

// refused is an error unless the plugin refuses to serve a host of this kind: the host's error and the host's log have to
// say these words.
func refused(file string, change func(*plugin.ClientConfig), host, log string) error {
	config, logged, _ := config(file)
	change(config)
	client := plugin.NewClient(config)
	defer client.Kill()
	_, err := client.Client()
	if err == nil || !strings.Contains(err.Error(), host) {
		return fmt.Errorf("the host says %v, want %q", err, host)
	}
	return eventually("the plugin's reason in the host's log: "+log, func() bool {
		for line := range strings.Lines(logged.text()) {
			if strings.Contains(line, log) && strings.Contains(line, `"@level":"error"`) {
				return true
			}
		}
		return false
	})
}

func version(file string, _ []string) error {
	change := func(config *plugin.ClientConfig) { config.ProtocolVersion = 2 }
	return refused(file, change, "incompatible API version with plugin. Plugin version: 1, Client versions: [2]",
		"this plugin speaks protocol version 1, the host that started it only 2")
}

func cookie(file string, _ []string) error {
	change := func(config *plugin.ClientConfig) { config.MagicCookieValue = "other" }
	return refused(file, change, "Unrecognized remote plugin message",
		`this is a \"echo\" plugin, but the host that started it wants a \"other\" plugin`)
}

func mtls(file string, _ []string) error {
	change := func(config *plugin.ClientConfig) { config.AutoMTLS = true }
	return refused(file, change, "Unrecognized remote plugin message", "AutoMTLS")
}

// patience: the plugin outlives the 75 s after which hashicorp/yamux gives up a stream without ACK. args: how long.
func patience(file string, args []string) error {
	howLong, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	return with(file, nil, func(s *started) error {
		time.Sleep(howLong)
		if err := s.ping(); err != nil {
			return err
		}
		text, err := s.say("Echo", "still there", 0)
		if err != nil || text != "still there" {
			return fmt.Errorf("after %v: %q, %v", howLong, text, err)
		}
		return nil
	})
}
