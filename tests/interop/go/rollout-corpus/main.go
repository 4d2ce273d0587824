// Command rollout-corpus writes one real SetWeight call as the Argo Rollouts controller sends it, and times Go's decoder
// on it.
//
//	rollout-corpus write DIR     writes rollout.gob, rollout.json and rollout.k8s.json
//	rollout-corpus decode FILE   times gob's decoder on rollout.gob; prints nanoseconds a value
package main

import (
	"bytes"
	_ "embed"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc"
	"sigs.k8s.io/yaml"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"serinus.dev/interop/gob/wire"
)

//go:embed rollout.yaml
var text []byte

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: rollout-corpus write DIR | rollout-corpus decode FILE"))
	}
	switch os.Args[1] {
	case "write":
		fail(write(os.Args[2]))
	case "decode":
		fail(decode(os.Args[2]))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "rollout-corpus:", err)
		os.Exit(1)
	}
}

func arguments() (rpc.SetWeightAndVerifyWeightArgs, error) {
	var rollout v1alpha1.Rollout
	if err := yaml.UnmarshalStrict(text, &rollout); err != nil {
		return rpc.SetWeightAndVerifyWeightArgs{}, err
	}
	grow(&rollout)
	return rpc.SetWeightAndVerifyWeightArgs{
		Rollout:       rollout,
		DesiredWeight: 200,
		AdditionalDestinations: []v1alpha1.WeightDestination{
			{ServiceName: "checkout-baseline", PodTemplateHash: "59d8b7c6f", Weight: 50},
			{ServiceName: "checkout-candidate", PodTemplateHash: "6d5f7c9b8", Weight: 50},
		},
	}, nil
}

// grow brings the Rollout to the size that Rollouts have where templates are generated and tools write annotations.
// Maps keep one key each, because gob sends maps in random order and the corpus should not change by itself.
func grow(rollout *v1alpha1.Rollout) {
	pod := &rollout.Spec.Template.Spec
	for i := range 60 {
		variable := corev1.EnvVar{Name: fmt.Sprintf("CHECKOUT_SETTING_%02d", i), Value: fmt.Sprintf("https://service-%02d.shop.svc.cluster.local:8443/api/v1", i)}
		if i%6 == 5 {
			variable = corev1.EnvVar{Name: variable.Name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: "checkout"}, Key: fmt.Sprintf("setting-%02d", i),
			}}}
		}
		pod.Containers[0].Env = append(pod.Containers[0].Env, variable)
	}
	for _, name := range []string{"proxy", "telemetry", "vault-agent", "cache", "audit", "feature-flags", "rate-limit", "profiler", "mesh"} {
		sidecar := *pod.Containers[0].DeepCopy()
		sidecar.Name = name
		sidecar.Image = "registry.example.com/platform/" + name + ":4.2.1"
		sidecar.Env = sidecar.Env[:50]
		pod.Containers = append(pod.Containers, sidecar)
	}
	applied, err := json.Marshal(map[string]any{"f:spec": rollout.Spec.Strategy})
	fail(err)
	updated, err := json.Marshal(map[string]any{"f:status": rollout.Status})
	fail(err)
	managed := metav1.ManagedFieldsEntry{Manager: "argocd-controller", Operation: metav1.ManagedFieldsOperationApply, APIVersion: "argoproj.io/v1alpha1", FieldsType: "FieldsV1", Time: &rollout.CreationTimestamp}
	managed.FieldsV1 = &metav1.FieldsV1{Raw: applied}
	rollout.ManagedFields = []metav1.ManagedFieldsEntry{managed}
	managed.Manager, managed.Operation, managed.Subresource = "rollouts-controller", metav1.ManagedFieldsOperationUpdate, "status"
	managed.FieldsV1 = &metav1.FieldsV1{Raw: updated}
	rollout.ManagedFields = append(rollout.ManagedFields, managed)
}

// write sends the arguments twice: the first value brings the types, the second one is what most calls look like.
func write(dir string) error {
	args, err := arguments()
	if err != nil {
		return err
	}
	var value any = args
	var stream bytes.Buffer
	encoder := gob.NewEncoder(&stream)
	for range 2 {
		if err := encoder.Encode(&value); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "rollout.gob"), stream.Bytes(), 0o644); err != nil {
		return err
	}
	wire.Registered[reflect.TypeOf(args)] = "SetWeightAndVerifyWeightArgs"
	sent := map[string]any{
		"schema": wire.Declare(reflect.TypeFor[any]()),
		"value":  wire.Content(&value),
	}
	if err := writeJSON(filepath.Join(dir, "rollout.json"), sent); err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, "rollout.k8s.json"), args)
}

func writeJSON(path string, value any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(value); err != nil {
		return err
	}
	return os.WriteFile(path, text.Bytes(), 0o644)
}

// decode reads the stream with its second value repeated, as it comes on a connection that is in use, and prints what
// one value takes: the median of many rounds.
func decode(path string) error {
	const rounds, values = 30, 100
	stream, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	second, err := lastMessage(stream)
	if err != nil {
		return err
	}
	connection := slices.Concat(stream, bytes.Repeat(second, rounds*values))
	decoder := gob.NewDecoder(bytes.NewReader(connection))
	next := func() error {
		var value any
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		if value.(*rpc.SetWeightAndVerifyWeightArgs).DesiredWeight != 200 {
			return fmt.Errorf("read something else: %v", value)
		}
		return nil
	}
	for range 2 {
		if err := next(); err != nil {
			return err
		}
	}
	var times []time.Duration
	for range rounds {
		start := time.Now()
		for range values {
			if err := next(); err != nil {
				return err
			}
		}
		times = append(times, time.Since(start)/values)
	}
	slices.Sort(times)
	fmt.Println(times[rounds/2].Nanoseconds())
	return nil
}

// lastMessage is the last message of a stream with its length.
func lastMessage(stream []byte) ([]byte, error) {
	var last []byte
	for len(stream) > 0 {
		length, prefix := uint64(stream[0]), 1
		if length > 0x7f {
			length = 0
			prefix += 256 - int(stream[0])
			for _, b := range stream[1:min(prefix, len(stream))] {
				length = length<<8 | uint64(b)
			}
		}
		end := prefix + int(length)
		if end > len(stream) {
			return nil, io.ErrUnexpectedEOF
		}
		last, stream = stream[:end], stream[end:]
	}
	return last, nil
}
