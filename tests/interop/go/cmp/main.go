// The repo-server's side of a plugin, with Argo CD's own client code.
//
// Each call goes the way of runConfigManagementPluginSidecars in reposerver/repository: a new connection for every
// request (cmpserver/apiclient), the folder sent as util/cmp sends it. The answer is printed as JSON; a failed call is
// printed as {"code", "message"}, so that a test sees what Argo CD would show.
//
//	cmp <check|match|generate|announce> -socket S -repo DIR [-app DIR] [NAME=VALUE...]
//	cmp services -socket S        the services that reflection names, the version and the health
//	cmp hostile -socket S NAME    a request that no repo-server sends; cmp hostiles names them
//	cmp bench -socket S -repo DIR [-app DIR] -n N [NAME=VALUE...]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/argoproj/argo-cd/v3/cmpserver/apiclient"
	"github.com/argoproj/argo-cd/v3/util/cmp"
	"github.com/golang/protobuf/ptypes/empty"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/argoproj/argo-cd/v3/pkg/apiclient/version"
)

type call struct {
	socket, repo, app string
	env               []string
	timeout           time.Duration
	// patient asks why the server has ended a stream, as the repo-server does not.
	patient bool
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		var st interface{ GRPCStatus() *status.Status }
		if !errors.As(err, &st) {
			// The client's own words: a send that failed, a connection that never came.
			_ = print(map[string]any{"code": "Client", "message": err.Error()})
			os.Exit(2)
		}
		_ = print(map[string]any{"code": codes.Code(st.GRPCStatus().Code()).String(), "message": st.GRPCStatus().Message()})
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("no command")
	}
	var c call
	var n, parallel int
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.StringVar(&c.socket, "socket", "", "the plugin's socket")
	flags.StringVar(&c.repo, "repo", "", "the repository's folder")
	flags.StringVar(&c.app, "app", "", "the Application's folder, default the repository's")
	flags.DurationVar(&c.timeout, "timeout", 5*time.Minute, "deadline of a call, 0 for none")
	flags.IntVar(&n, "n", 100, "calls to measure")
	flags.IntVar(&parallel, "parallel", 1, "calls at once")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	c.env = flags.Args()
	if c.app == "" {
		c.app = c.repo
	}
	switch args[0] {
	case "check":
		return c.check()
	case "match":
		return c.match()
	case "generate":
		response, err := c.generate()
		if err != nil {
			return err
		}
		return print(response)
	case "announce":
		return c.announce()
	case "services":
		return c.services()
	case "hostile":
		return c.hostile(flags.Arg(0))
	case "hostiles":
		return names()
	case "bench":
		return c.bench(n, parallel)
	}
	return fmt.Errorf("unknown command %q", args[0])
}

func (c call) context() (context.Context, context.CancelFunc) {
	if c.timeout == 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), c.timeout)
}

func (c call) check() error {
	ctx, cancel := c.context()
	defer cancel()
	conn, client, err := apiclient.NewConfigManagementPluginClientSet(c.socket).NewConfigManagementPluginClient()
	if err != nil {
		return err
	}
	defer conn.Close()
	response, err := client.CheckPluginConfiguration(ctx, &empty.Empty{})
	if err != nil {
		return err
	}
	return print(response)
}

func (c call) match() error {
	ctx, cancel := c.context()
	defer cancel()
	conn, client, err := apiclient.NewConfigManagementPluginClientSet(c.socket).NewConfigManagementPluginClient()
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := client.MatchRepository(ctx)
	if err != nil {
		return err
	}
	if err := cmp.SendRepoStream(stream.Context(), c.app, c.repo, stream, c.env, nil); err != nil {
		return err
	}
	response, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	return print(response)
}

func (c call) generate() (*apiclient.ManifestResponse, error) {
	ctx, cancel := c.context()
	defer cancel()
	conn, client, err := apiclient.NewConfigManagementPluginClientSet(c.socket).NewConfigManagementPluginClient()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stream, err := client.GenerateManifest(ctx)
	if err != nil {
		return nil, err
	}
	if err := cmp.SendRepoStream(stream.Context(), c.app, c.repo, stream, c.env, nil); err != nil {
		if c.patient && errors.Is(err, io.EOF) {
			_, reason := stream.CloseAndRecv()
			return nil, fmt.Errorf("%w: %w", err, reason)
		}
		return nil, err
	}
	return stream.CloseAndRecv()
}

func (c call) announce() error {
	ctx, cancel := c.context()
	defer cancel()
	conn, client, err := apiclient.NewConfigManagementPluginClientSet(c.socket).NewConfigManagementPluginClient()
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := client.GetParametersAnnouncement(ctx)
	if err != nil {
		return err
	}
	if err := cmp.SendRepoStream(stream.Context(), c.app, c.repo, stream, c.env, nil); err != nil {
		return err
	}
	response, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	return print(response)
}

func (c call) services() error {
	ctx, cancel := c.context()
	defer cancel()
	conn, err := apiclient.NewConnection(c.socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := reflection.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		return err
	}
	list := &reflection.ServerReflectionRequest{MessageRequest: &reflection.ServerReflectionRequest_ListServices{}}
	if err := stream.Send(list); err != nil {
		return err
	}
	answer, err := stream.Recv()
	if err != nil {
		return err
	}
	var names []string
	for _, service := range answer.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	slices.Sort(names)
	message, err := version.NewVersionServiceClient(conn).Version(ctx, &empty.Empty{})
	if err != nil {
		return err
	}
	health, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return err
	}
	return print(map[string]any{"services": names, "version": message.Version, "health": health.Status.String()})
}

// bench measures what a repo-server waits for: connect, send, generate, receive.
func (c call) bench(n, parallel int) error {
	c.app, _ = filepath.Abs(c.app)
	c.repo, _ = filepath.Abs(c.repo)
	c.patient = true
	bytes := 0
	for range 5 {
		response, err := c.generate()
		if err != nil {
			return err
		}
		bytes = 0
		for _, manifest := range response.Manifests {
			bytes += len(manifest)
		}
	}
	type result struct {
		took time.Duration
		err  error
	}
	work := make(chan struct{}, n)
	results := make(chan result, n)
	for range n {
		work <- struct{}{}
	}
	close(work)
	for range parallel {
		go func() {
			for range work {
				started := time.Now()
				_, err := c.generate()
				results <- result{time.Since(started), err}
			}
		}()
	}
	times := make([]time.Duration, 0, n)
	for range n {
		r := <-results
		if r.err != nil {
			return r.err
		}
		times = append(times, r.took)
	}
	slices.Sort(times)
	ms := func(q float64) float64 { return float64(times[int(q*float64(n-1))].Microseconds()) / 1000 }
	return print(map[string]any{"n": n, "bytes": bytes, "p50_ms": ms(0.5), "p90_ms": ms(0.9), "p99_ms": ms(0.99)})
}

func print(v any) error {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
