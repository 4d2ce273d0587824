package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/argoproj/argo-cd/v3/cmpserver/apiclient"
	"github.com/argoproj/argo-cd/v3/util/cmp"
)

// request is what a repo-server never sends: a first message, an archive cut into pieces, and how the client behaves.
type request struct {
	first   []*apiclient.AppStreamRequest
	archive []byte
	// endless repeats the archive until the server says no.
	endless bool
	// gone drops the call once this many bytes were sent.
	gone int
	// patient goes on to read the answer after a failed Send, as the repo-server does not.
	patient bool
}

// hostile sends one of the requests below by name, in pieces of 1 KiB like Argo CD's own.
func (c call) hostile(name string) error {
	build, known := requests[name]
	if !known {
		return fmt.Errorf("unknown request %q", name)
	}
	r, err := build()
	if err != nil {
		return err
	}
	ctx, cancel := c.context()
	defer cancel()
	conn, client, err := apiclient.NewConfigManagementPluginClientSet(c.socket).NewConfigManagementPluginClient()
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	stream, err := client.GenerateManifest(ctx)
	if err != nil {
		return err
	}
	if err := r.send(stream, leave); err != nil && (!r.patient || !errors.Is(err, io.EOF)) {
		return fmt.Errorf("error sending stream: %w", err)
	}
	response, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	return print(response)
}

func (r request) send(stream apiclient.ConfigManagementPluginService_GenerateManifestClient, leave func()) error {
	for _, message := range r.first {
		if err := stream.Send(message); err != nil {
			return err
		}
	}
	sent := 0
	for {
		reader := bytes.NewReader(r.archive)
		for chunk := make([]byte, 1024); ; {
			n, err := reader.Read(chunk)
			if err == io.EOF {
				break
			}
			if err := stream.Send(cmp.AppFileRequest(bytes.Clone(chunk[:n]))); err != nil {
				return err
			}
			sent += n
			if r.gone > 0 && sent >= r.gone {
				leave()
			}
		}
		if !r.endless {
			return nil
		}
	}
}

// entry is a member of an archive.
type entry struct {
	kind          byte
	name, link    string
	content       string
	zeros, copies int
}

func pack(entries ...entry) ([]byte, error) {
	var out bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	writer := tar.NewWriter(zipped)
	zeros := make([]byte, 1<<20)
	for _, e := range entries {
		for n := range max(e.copies, 1) {
			name := e.name
			if e.copies > 0 {
				name = fmt.Sprintf("%s%d", e.name, n)
			}
			header := &tar.Header{Typeflag: e.kind, Name: name, Linkname: e.link, Mode: 0o644, Size: int64(len(e.content) + e.zeros<<20)}
			if err := writer.WriteHeader(header); err != nil {
				return nil, err
			}
			if _, err := io.WriteString(writer, e.content); err != nil {
				return nil, err
			}
			for range e.zeros {
				if _, err := writer.Write(zeros); err != nil {
					return nil, err
				}
			}
		}
	}
	if err := errors.Join(writer.Close(), zipped.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

const web = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web}\nspec: {strategy: {canary: {}}}\n"

func metadata(archive []byte) *apiclient.ManifestRequestMetadata {
	sum := sha256.Sum256(archive)
	return &apiclient.ManifestRequestMetadata{
		AppName: "web", AppRelPath: ".", Checksum: hex.EncodeToString(sum[:]), Size_: int64(len(archive)),
	}
}

func first(m *apiclient.ManifestRequestMetadata) []*apiclient.AppStreamRequest {
	return []*apiclient.AppStreamRequest{{Request: &apiclient.AppStreamRequest_Metadata{Metadata: m}}}
}

// of is a request that keeps to the protocol with an archive that does not.
func of(entries ...entry) func() (request, error) {
	return func() (request, error) {
		archive, err := pack(append([]entry{{kind: tar.TypeReg, name: "web.yaml", content: web}}, entries...)...)
		return request{first: first(metadata(archive)), archive: archive}, err
	}
}

// wrong is a request for a good archive, changed.
func wrong(change func(*request, *apiclient.ManifestRequestMetadata)) func() (request, error) {
	return func() (request, error) {
		// Large enough that an answer before the end would break a Send.
		archive, err := pack(entry{kind: tar.TypeReg, name: "web.yaml", content: web}, entry{kind: tar.TypeReg, name: "noise", content: noise(1 << 20)})
		m := metadata(archive)
		r := request{archive: archive}
		change(&r, m)
		if r.first == nil {
			r.first = first(m)
		}
		return r, err
	}
}

// million is an archive of a million empty files: ten thousand, zipped once and repeated, as gzip allows.
func million() (request, error) {
	some, err := pack(entry{kind: tar.TypeReg, name: "f", copies: 10_000})
	if err != nil {
		return request{}, err
	}
	// Without the two empty blocks at its end.
	reader, err := gzip.NewReader(bytes.NewReader(some))
	if err != nil {
		return request{}, err
	}
	plain, err := io.ReadAll(reader)
	if err != nil {
		return request{}, err
	}
	var part bytes.Buffer
	zipped := gzip.NewWriter(&part)
	if _, err := zipped.Write(plain[:10_000*512]); err != nil {
		return request{}, err
	}
	if err := zipped.Close(); err != nil {
		return request{}, err
	}
	archive := append(bytes.Repeat(part.Bytes(), 100), some...)
	return request{first: first(metadata(archive)), archive: archive}, nil
}

// noise does not get smaller by compression.
func noise(n int) string {
	out := make([]byte, 0, n)
	sum := sha256.Sum256(nil)
	for len(out) < n {
		sum = sha256.Sum256(sum[:])
		out = append(out, sum[:]...)
	}
	return string(out)
}

var requests = map[string]func() (request, error){
	"traversal":      of(entry{kind: tar.TypeReg, name: "../evil"}),
	"deep-traversal": of(entry{kind: tar.TypeReg, name: "a/b/../../../evil"}),
	"absolute":       of(entry{kind: tar.TypeReg, name: "/tmp/canary-steps-evil"}),
	"absolute-link":  of(entry{kind: tar.TypeSymlink, name: "passwd.yaml", link: "/etc/passwd"}),
	"relative-link":  of(entry{kind: tar.TypeSymlink, name: "a/up.yaml", link: "../../../../etc/passwd"}),
	"below-link":     of(entry{kind: tar.TypeSymlink, name: "d", link: "e"}, entry{kind: tar.TypeReg, name: "d/evil"}),
	"hard-link":      of(entry{kind: tar.TypeLink, name: "hard", link: "/etc/passwd"}),
	"device":         of(entry{kind: tar.TypeChar, name: "null"}),
	"block-device":   of(entry{kind: tar.TypeBlock, name: "disk"}),
	"fifo":           of(entry{kind: tar.TypeFifo, name: "pipe"}),
	"bomb":           of(entry{kind: tar.TypeReg, name: "bomb", zeros: 256}),
	"million-files":  of(entry{kind: tar.TypeReg, name: "f", copies: 1_000_000}),
	"wrong-checksum": wrong(func(_ *request, m *apiclient.ManifestRequestMetadata) {
		m.Checksum = hex.EncodeToString(make([]byte, 32))
	}),
	"size-too-small": wrong(func(_ *request, m *apiclient.ManifestRequestMetadata) { m.Size_ -= 1000 }),
	"size-too-large": wrong(func(_ *request, m *apiclient.ManifestRequestMetadata) { m.Size_++ }),
	"negative-size":  wrong(func(_ *request, m *apiclient.ManifestRequestMetadata) { m.Size_ = -1 }),
	"enormous-size":  wrong(func(r *request, m *apiclient.ManifestRequestMetadata) { m.Size_ = 1 << 62 }),
	"outside":        wrong(func(_ *request, m *apiclient.ManifestRequestMetadata) { m.AppRelPath = "../other" }),
	"truncated":      wrong(func(r *request, _ *apiclient.ManifestRequestMetadata) { r.archive = r.archive[:len(r.archive)/2] }),
	"no-gzip": wrong(func(r *request, m *apiclient.ManifestRequestMetadata) {
		r.archive = []byte(web)
		*m = *metadata(r.archive)
	}),
	"never-ending": wrong(func(r *request, _ *apiclient.ManifestRequestMetadata) { r.endless, r.patient = true, true }),
	"client-gone":  wrong(func(r *request, _ *apiclient.ManifestRequestMetadata) { r.gone = 500_000 }),
	"first-is-file": wrong(func(r *request, _ *apiclient.ManifestRequestMetadata) {
		r.first = []*apiclient.AppStreamRequest{cmp.AppFileRequest([]byte("x"))}
	}),
	"first-is-empty": wrong(func(r *request, _ *apiclient.ManifestRequestMetadata) { r.first = []*apiclient.AppStreamRequest{{}} }),
	"first-is-unknown": wrong(func(r *request, _ *apiclient.ManifestRequestMetadata) {
		r.first = []*apiclient.AppStreamRequest{{XXX_unrecognized: []byte{0x1a, 0x02, 0x08, 0x01}}}
	}),
	"no-message-at-all":  func() (request, error) { return request{first: []*apiclient.AppStreamRequest{}}, nil },
	"second-is-metadata": wrong(func(r *request, m *apiclient.ManifestRequestMetadata) { r.first = append(first(m), first(m)...) }),
}

// names prints what hostile knows.
func names() error {
	for name := range requests {
		if _, err := fmt.Fprintln(os.Stdout, name); err != nil {
			return err
		}
	}
	return nil
}
