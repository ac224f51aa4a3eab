"""What is computed: layers, neurons, inputs."""
